//go:build unix

package main

import "syscall"

// noCore keeps the memory of the platform, with the tokens and texts under way in it, from being written
// to a disk when it crashes (docs/reference/reliability.md T4). What it cannot set stays as it is.
func noCore() { syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
