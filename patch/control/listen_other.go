//go:build !linux

package control

import (
	"errors"
	"io/fs"
	"net"
)

func listen(string, fs.FileMode) (net.Listener, error) { return nil, errors.ErrUnsupported }
