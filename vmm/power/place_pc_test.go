//go:build !arm64

package power_test

import "github.com/vgraft/vgraft/internal/layout"

// placeAt is where the machine's own windows begin.
const placeAt = layout.Place
