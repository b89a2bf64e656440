package power_test

import "github.com/vgraft/vgraft/internal/layout/arm64"

// placeAt is where the machine's own windows begin.
const placeAt = arm64.Place
