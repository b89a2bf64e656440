//go:build !amd64

package main

import (
	"errors"
	"runtime"
)

func guestCode() ([]byte, error) {
	return nil, errors.New("the embedded guest is amd64 code, and this program is built for " + runtime.GOARCH)
}
