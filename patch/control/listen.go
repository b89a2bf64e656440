package control

import (
	"fmt"
	"io/fs"
	"net"
)

// Listen makes a Unix socket that those may connect to whom mode lets write, 0o600 or
// 0o660 say. The mode is right from the first instant: there is no time in which another
// could connect, and the umask, which all of the process shares, isn't touched.
//
// A socket that a process left behind when it died is removed. One that somebody listens
// on, and whatever else has the path, is left alone: the error is that of bind, "address
// already in use". The directory should be one in which nobody else can make files.
// Closing the listener removes the socket, if it is still its own.
//
// On systems other than Linux the error is errors.ErrUnsupported.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	if mode&^fs.ModePerm != 0 {
		return nil, fmt.Errorf("control: listen on %s: %v is not just permissions: %w", path, mode, fs.ErrInvalid)
	}

	l, err := listen(path, mode)
	if err != nil {
		return nil, fmt.Errorf("control: listen on %s: %w", path, err)
	}

	return l, nil
}
