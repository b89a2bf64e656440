package kvm

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"
)

// Device is an emulated device of the kernel's that has a descriptor of its own. The
// machine keeps it: Close gives up the descriptor alone.
type Device struct{ *file }

// createDevice is struct kvm_create_device.
type createDevice struct {
	kind, fd, flags uint32
}

// CreateDevice makes a device of the kind, KVM_DEV_TYPE_* of linux/kvm.h.
func (vm *VM) CreateDevice(kind uint32) (*Device, error) {
	d := &createDevice{kind: kind}
	if err := ioctl(vm.file, "KVM_CREATE_DEVICE", kvm.IIOWR(nrCreateDevice, unsafe.Sizeof(*d)), d); err != nil {
		return nil, err
	}

	return &Device{newFile(uintptr(d.fd))}, nil
}

// deviceAttr is struct kvm_device_attr.
type deviceAttr struct {
	flags, group uint32
	attr         uint64
	addr         uint64
}

// Attr is an attribute of a device, a machine or a vCPU.
type Attr struct {
	Group uint32
	Attr  uint64
}

// setAttr gives an attribute a value; nil is for those that have none and do something.
func setAttr[T any](f *file, a Attr, value *T) error {
	d := &deviceAttr{group: a.Group, attr: a.Attr}

	// The value's address is in a structure, where nothing keeps it: it may neither be
	// freed nor, on a stack, move.
	var pin runtime.Pinner
	defer pin.Unpin()

	if value != nil {
		pin.Pin(value)
		d.addr = uint64(uintptr(unsafe.Pointer(value)))
	}

	return ioctl(f, "KVM_SET_DEVICE_ATTR", kvm.IIOW(nrSetDeviceAttr, unsafe.Sizeof(*d)), d)
}

// hasAttr says whether the kernel knows the attribute.
func hasAttr(f *file, a Attr) (bool, error) { //nolint:unused // on arm64
	d := &deviceAttr{group: a.Group, attr: a.Attr}

	err := ioctl(f, "KVM_HAS_DEVICE_ATTR", kvm.IIOW(nrHasDeviceAttr, unsafe.Sizeof(*d)), d)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOTTY) {
		return false, nil
	}

	return err == nil, err
}

// Do has the device do what an attribute without a value stands for.
func (d *Device) Do(a Attr) error { return setAttr[byte](d.file, a, nil) }

// Set32 gives an attribute a value of 32 bits.
func (d *Device) Set32(a Attr, v uint32) error { return setAttr(d.file, a, &v) }

// Set64 gives an attribute a value of 64 bits.
func (d *Device) Set64(a Attr, v uint64) error { return setAttr(d.file, a, &v) }

// enableCap is struct kvm_enable_cap.
type enableCap struct {
	capability, flags uint32
	args              [4]uint64
	_                 [64]byte
}

// Enable turns on a capability that is off unless asked for.
func (vm *VM) Enable(c Capability) error {
	e := &enableCap{capability: uint32(c)}

	return ioctl(vm.file, "KVM_ENABLE_CAP", kvm.IIOW(nrEnableCap, unsafe.Sizeof(*e)), e)
}

// oneReg is struct kvm_one_reg.
type oneReg struct {
	id, addr uint64
}

// Reg reads a register of 64 bits.
func (c *VCPU) Reg(id uint64) (uint64, error) {
	value := new(uint64)

	err := c.oneReg("KVM_GET_ONE_REG", nrGetOneReg, id, value)

	return *value, err
}

// SetReg writes a register of 64 bits.
func (c *VCPU) SetReg(id, v uint64) error { return c.oneReg("KVM_SET_ONE_REG", nrSetOneReg, id, &v) }

func (c *VCPU) oneReg(name string, nr uintptr, id uint64, value *uint64) error {
	var pin runtime.Pinner
	defer pin.Unpin()

	pin.Pin(value)

	r := &oneReg{id: id, addr: uint64(uintptr(unsafe.Pointer(value)))}

	return ioctl(c.file, name, kvm.IIOW(nr, unsafe.Sizeof(*r)), r)
}

// Event is the type of an ExitSystemEvent, KVM_SYSTEM_EVENT_* of linux/kvm.h.
func (c *VCPU) Event() uint32 { return uint32(c.run.Data[0]) }

// NoSyndrome decodes an ExitNoSyndrome: what the processor said of an access to a device
// that it couldn't describe, and the address in its page.
func (c *VCPU) NoSyndrome() (syndrome, gpa uint64) { return c.run.Data[0], c.run.Data[1] }

// Hypercall decodes an ExitHypercall: the number of the function. Its arguments are in
// registers.
func (c *VCPU) Hypercall() uint64 { return c.run.Data[0] }
