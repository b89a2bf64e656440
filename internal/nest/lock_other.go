//go:build !linux

package nest

import (
	"context"
	"errors"
	"fmt"
)

// lockFile is for Linux, as the rig is.
func lockFile(context.Context, string) (unlock func(), err error) {
	return nil, fmt.Errorf("nest: locks: %w", errors.ErrUnsupported)
}
