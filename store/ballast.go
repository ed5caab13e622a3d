package store

import (
	"errors"
	"os"
	"path/filepath"
)

// On a full disk rights must still be taken away: a token that somebody wants revoked must not stay
// valid because others have filled the last octet (docs/reference/reliability.md P4). So the data
// directory holds a file of zeros that is good for nothing but to be given up. It is dropped when a
// revocation finds no space, and made again once there is room for it.
const (
	ballastName = "ballast"
	ballastSize = 2 << 20
)

// fillBallast makes the file; without it the store works all the same.
func (s *Store) fillBallast() {
	if s.d.postgres || s.ballast.Load() {
		return
	}
	path := filepath.Join(s.dir, ballastName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(make([]byte, ballastSize))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		os.Remove(path)
		s.log.Warn("no room for the ballast that lets rights be revoked on a full disk", "err", err)
		return
	}
	s.ballast.Store(true)
}

// dropBallast gives the space back; false if that was done before.
func (s *Store) dropBallast() bool {
	if !s.ballast.CompareAndSwap(true, false) {
		return false
	}
	return os.Remove(filepath.Join(s.dir, ballastName)) == nil
}

// needFree is how much space there must be for an ordinary write: what is kept free, and the ballast
// if it is not there.
func (s *Store) needFree() uint64 {
	if s.ballast.Load() || s.d.postgres {
		return minFree
	}
	return minFree + ballastSize
}
