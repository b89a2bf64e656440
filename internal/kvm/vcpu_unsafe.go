package kvm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"golang.org/x/sys/unix"
)

// ErrInterrupted is what Run gives when it was broken off, by Interrupt or by a
// signal, rather than by the guest.
var ErrInterrupted = errors.New("KVM_RUN interrupted")

// VCPU is a virtual processor. What it gives of the area that it shares with the kernel
// is good while it is in use and open.
type VCPU struct {
	*file
	area []byte // shared with the kernel: struct kvm_run, then data of PIO exits
	run  *kvm.RunData

	closing sync.Mutex // held by Close
	unmap   runtime.Cleanup
}

// CreateVCPU makes a vCPU. On amd64 the id is its APIC id.
func (vm *VM) CreateVCPU(id int) (*VCPU, error) {
	fd, err := vm.call("KVM_CREATE_VCPU", kvm.IIO(nrCreateVCPU), uintptr(id))
	if err != nil {
		return nil, err
	}

	if vm.runSize < int(unsafe.Sizeof(kvm.RunData{})) {
		_ = unix.Close(int(fd))
		return nil, fmt.Errorf("kvm_run is only %d bytes", vm.runSize)
	}

	area, err := unix.Mmap(int(fd), 0, vm.runSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Close(int(fd))
		return nil, os.NewSyscallError("mmap", err)
	}

	c := &VCPU{file: newFile(fd), area: area, run: (*kvm.RunData)(unsafe.Pointer(unsafe.SliceData(area)))}
	c.unmap = runtime.AddCleanup(c, func(area []byte) { _ = unix.Munmap(area) }, area)

	return c, nil
}

// Close unmaps the shared area and closes the vCPU. The thread that runs it must have
// ended. It is idempotent, and any goroutine may call it.
func (c *VCPU) Close() error {
	c.closing.Lock()
	defer c.closing.Unlock()

	if c.area == nil {
		return nil
	}

	c.unmap.Stop()

	err := os.NewSyscallError("munmap", unix.Munmap(c.area))
	c.area, c.run = nil, nil

	return errors.Join(err, c.file.Close())
}

// Run enters the guest and gives the reason why it came out. Only the vCPU's own
// thread calls it. It gives ErrInterrupted, itself and never wrapped, when there is no
// such reason: look at what you were interrupted for, and run again.
func (c *VCPU) Run() (Reason, error) {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd.Load()), runOp, 0)

	switch errno {
	case 0:
		return Reason(c.run.ExitReason), nil
	case unix.EINTR, unix.EAGAIN:
		return 0, ErrInterrupted
	}

	return 0, &Error{"KVM_RUN", errno}
}

var runOp = kvm.IIO(nrRun)

// immediate is the word that holds request_interrupt_window, which we never set, and
// immediate_exit. The kernel reads it as it enters the guest.
func (c *VCPU) immediate() *uint32 { return (*uint32)(unsafe.Pointer(c.run)) }

// Interrupt makes the next, or with a signal to its thread the present, Run end at
// once, until Continue is called. Any goroutine, but not after Close.
func (c *VCPU) Interrupt() { atomic.StoreUint32(c.immediate(), 1<<8) }

// Continue undoes Interrupt. Only the vCPU's own thread.
func (c *VCPU) Continue() { atomic.StoreUint32(c.immediate(), 0) }

// PIO decodes an ExitIO: a port access that the guest waits for, of one or many elements
// of the size, one after the other in data, to be read or written in order. data is
// shared with the kernel. A nonsensical record, which no kernel gives, has no data. The
// results are many, not a structure, so that they stay in registers.
func (c *VCPU) PIO() (port uint16, size int, write bool, data []byte) {
	// struct kvm_run's io: direction, size, port and count; then the offset of the data.
	head, off := c.run.Data[0], c.run.Data[1]
	n := (head >> 8 & 0xff) * (head >> 32)

	if area := c.area; off <= uint64(len(area)) && n <= uint64(len(area))-off {
		data = area[off : off+n : off+n]
	}

	return uint16(head >> 16), int(head >> 8 & 0xff), head&0xff == kvm.EXITIOOUT, data
}

// mmioExit is the part of struct kvm_run that describes an ExitMMIO.
type mmioExit struct {
	gpa   uint64
	data  [8]byte
	n     uint32
	write uint8
}

// MMIO decodes an ExitMMIO: an access to a guest-physical address where there is no RAM.
// data is shared with the kernel: fill it for a read.
func (c *VCPU) MMIO() (gpa uint64, write bool, data []byte) {
	e := (*mmioExit)(unsafe.Pointer(&c.run.Data))

	return e.gpa, e.write != 0, e.data[:min(e.n, 8):8]
}

// InternalError decodes an ExitInternalError: why KVM gave up, and the data it has to
// say, such as the bytes of the instruction that it couldn't emulate.
func (c *VCPU) InternalError() (suberror uint32, data []uint64) {
	head := c.run.Data[0]
	n := min(head>>32, uint64(len(c.run.Data)-1))

	return uint32(head), append([]uint64(nil), c.run.Data[1:1+n]...)
}

// SystemEvent is the type of an ExitSystemEvent, and for ExitFailEntry the hardware's
// reason: the first word of the exit's data.
func (c *VCPU) SystemEvent() uint64 { return c.run.Data[0] }

// SetMPState says whether the vCPU runs at once, or waits for a start-up interrupt or
// for being powered on.
func (c *VCPU) SetMPState(state uint32) error {
	s := &MPState{State: state}

	return ioctl(c.file, "KVM_SET_MP_STATE", kvm.IIOW(nrSetMPState, unsafe.Sizeof(*s)), s)
}

// Thread is the identity of the calling thread, for Kick.
func Thread() int {
	return unix.Gettid()
}

// Kick sends the signal to a thread of this process.
func Kick(tid int, sig unix.Signal) error {
	return os.NewSyscallError("tgkill", unix.Tgkill(os.Getpid(), tid, sig))
}
