package kvm

import (
	"fmt"

	"github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"
)

// Numbers of ioctls, linux/kvm.h. gokvm keeps its own unexported.
const (
	nrGetAPIVersion       = 0x00
	nrCreateVM            = 0x01
	nrCheckExtension      = 0x03
	nrGetVCPUMmapSize     = 0x04
	nrGetSupportedCPUID   = 0x05
	nrCreateVCPU          = 0x41
	nrSetUserMemoryRegion = 0x46
	nrSetTSSAddr          = 0x47
	nrSetIdentityMapAddr  = 0x48
	nrCreateIRQChip       = 0x60
	nrIRQLine             = 0x61
	nrCreatePIT2          = 0x77
	nrRun                 = 0x80
	nrGetRegs             = 0x81
	nrSetRegs             = 0x82
	nrGetSregs            = 0x83
	nrSetSregs            = 0x84
	nrSetMSRs             = 0x89
	nrSetFPU              = 0x8d
	nrSetCPUID2           = 0x90
	nrGetMPState          = 0x98
	nrSetMPState          = 0x99
	nrEnableCap           = 0xa3
	nrGetOneReg           = 0xab
	nrSetOneReg           = 0xac
	nrArmVCPUInit         = 0xae
	nrArmPreferredTarget  = 0xaf
	nrCreateDevice        = 0xe0
	nrSetDeviceAttr       = 0xe1
	nrGetDeviceAttr       = 0xe2
	nrHasDeviceAttr       = 0xe3
)

// APIVersion is the only version of the interface there has ever been.
const APIVersion = 12

// Structures and constants that are gokvm's.
type (
	Capability = kvm.Capability
	Regs       = kvm.Regs
	Sregs      = kvm.Sregs
	Segment    = kvm.Segment
	Descriptor = kvm.Descriptor
	CPUIDEntry = kvm.CPUIDEntry2
	MSREntry   = kvm.MSREntry
	MPState    = kvm.MPState
)

// System is the open KVM device.
type System struct{ *file }

// Open opens the KVM device, /dev/kvm usually, and checks that it speaks APIVersion.
func Open(path string) (*System, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}

	s := &System{newFile(uintptr(fd))}

	if v, err := s.call("KVM_GET_API_VERSION", kvm.IIO(nrGetAPIVersion), 0); err != nil || v != APIVersion {
		_ = s.Close()

		if err == nil {
			err = fmt.Errorf("version %d, not %d", v, APIVersion)
		}

		return nil, fmt.Errorf("%s is not a usable KVM device: %w", path, err)
	}

	return s, nil
}

// Check gives the value of a capability, KVM_CHECK_EXTENSION. 0 is absent.
func (s *System) Check(c Capability) (int, error) {
	v, err := s.call("KVM_CHECK_EXTENSION", kvm.IIO(nrCheckExtension), uintptr(c))

	return int(v), err
}

// CreateVM makes an empty virtual machine of the host's default type.
func (s *System) CreateVM() (*VM, error) { return s.CreateVMOfType(0) }

// CreateVMOfType makes an empty virtual machine. On arm64 the type is the width of
// guest-physical addresses in bits; 0 is 40.
func (s *System) CreateVMOfType(kind int) (*VM, error) {
	size, err := s.call("KVM_GET_VCPU_MMAP_SIZE", kvm.IIO(nrGetVCPUMmapSize), 0)
	if err != nil {
		return nil, err
	}

	fd, err := s.call("KVM_CREATE_VM", kvm.IIO(nrCreateVM), uintptr(kind))
	if err != nil {
		return nil, err
	}

	return &VM{file: newFile(fd), runSize: int(size)}, nil
}
