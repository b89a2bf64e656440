package vmm

import (
	"github.com/vgraft/vgraft/internal/device/board"
	"github.com/vgraft/vgraft/internal/device/cmos"
)

// boardDevices are the devices that every machine has, beside those in the kernel.
func boardDevices(memory uint64) []Device {
	return []Device{cmos.New(memory, nil), board.New(nil)}
}
