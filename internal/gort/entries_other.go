//go:build !linux

package gort

// Nothing below is reached: there is no Process.

type written struct {
	differs, failed, lost int
	errno                 error
}

func openText() (int, error) { return -1, ErrNotSupported }
func closeText(int)          {}

func (*Process) tryText([]entry) error { return ErrNotSupported }

func stopAndWrite(uint64, uint64, int, uint64, bool, []entry) written {
	return written{-1, 0, -1, ErrNotSupported}
}
