//go:build !arm64

package vmmtest

import "github.com/vgraft/vgraft/internal/device/devicetest"

type hostCode = AMD64

const ram = 0

var newPlatform = devicetest.NewPCPlatform
