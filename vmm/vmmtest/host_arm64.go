package vmmtest

import (
	"github.com/vgraft/vgraft/internal/device/devicetest"
	"github.com/vgraft/vgraft/internal/layout/arm64"
)

type hostCode = ARM64

const ram = arm64.RAM

var newPlatform = devicetest.NewVirtPlatform
