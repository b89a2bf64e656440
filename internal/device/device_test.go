package device_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
)

func TestExitReason_String(t *testing.T) {
	seen := map[string]bool{}

	for r := device.ExitNone; r <= device.ExitClosed; r++ {
		s := r.String()
		require.NotEmpty(t, s)
		require.NotEqual(t, "unknown", s)
		require.False(t, seen[s], s)
		seen[s] = true
	}

	require.Equal(t, "none", device.ExitReason(0).String())
	require.Equal(t, "unknown", device.ExitReason(-1).String())
	require.Equal(t, "unknown", (device.ExitClosed + 1).String())
}
