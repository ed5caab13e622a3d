//go:build !unix

package main

// noCore: there are no core files here.
func noCore() {}
