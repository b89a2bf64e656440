package nest

import "encoding/binary"

// keeper is a program for the rig, linux/amd64, that makes one virtual machine with
// interrupt controllers and one without, a processor in each, and keeps them until it is
// killed. It ends once they are there: what stays is its child.
//
// Linux switches some branches in the scheduler and in KVM by rewriting its own code, with
// the first machine that comes and the last one that goes. QEMU before 8.1 may translate
// the old code while another processor rewrites it, and keep that for good: then both
// processors meet a breakpoint that isn't there any more, for ever, with interrupts off
// and no word on the console. With the keeper's machines nothing comes first or goes last
// while more than one processor runs.
func keeper() []byte {
	code := []byte{
		0x48, 0x8d, 0x3d, 0x83, 0x00, 0x00, 0x00, // lea rdi, path
		0xbe, 0x02, 0x00, 0x00, 0x00, // mov esi, O_RDWR
		0x31, 0xd2, // xor edx, edx
		0xb8, 0x02, 0x00, 0x00, 0x00, // mov eax, SYS_open
		0x0f, 0x05, // syscall
		0x89, 0xc3, // mov ebx, eax
		0x41, 0xbc, 0x02, 0x00, 0x00, 0x00, // mov r12d, 2
		// again:
		0x89, 0xdf, // mov edi, ebx
		0xbe, 0x01, 0xae, 0x00, 0x00, // mov esi, KVM_CREATE_VM
		0xe8, 0x47, 0x00, 0x00, 0x00, // call ioctl
		0x89, 0xc5, // mov ebp, eax
		0x41, 0x83, 0xfc, 0x01, // cmp r12d, 1
		0x74, 0x0c, // je cpu
		0x89, 0xef, // mov edi, ebp
		0xbe, 0x60, 0xae, 0x00, 0x00, // mov esi, KVM_CREATE_IRQCHIP
		0xe8, 0x33, 0x00, 0x00, 0x00, // call ioctl
		// cpu:
		0x89, 0xef, // mov edi, ebp
		0xbe, 0x41, 0xae, 0x00, 0x00, // mov esi, KVM_CREATE_VCPU
		0xe8, 0x27, 0x00, 0x00, 0x00, // call ioctl
		0x41, 0xff, 0xcc, // dec r12d
		0x75, 0xcf, // jnz again
		0xb8, 0x39, 0x00, 0x00, 0x00, // mov eax, SYS_fork
		0x0f, 0x05, // syscall
		0x85, 0xc0, // test eax, eax
		0x75, 0x09, // jnz exit
		// sleep:
		0xb8, 0x22, 0x00, 0x00, 0x00, // mov eax, SYS_pause
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp sleep
		// exit: with 1 if there is no child
		0xc1, 0xf8, 0x1f, // sar eax, 31
		0xf7, 0xd8, // neg eax
		0x89, 0xc7, // mov edi, eax
		0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, SYS_exit_group
		0x0f, 0x05, // syscall
		// ioctl: of edi, with request esi and argument 0; exits with 1 on an error
		0x31, 0xd2, // xor edx, edx
		0xb8, 0x10, 0x00, 0x00, 0x00, // mov eax, SYS_ioctl
		0x0f, 0x05, // syscall
		0x85, 0xc0, // test eax, eax
		0x79, 0x0c, // jns ok
		0xbf, 0x01, 0x00, 0x00, 0x00, // mov edi, 1
		0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, SYS_exit_group
		0x0f, 0x05, // syscall
		// ok:
		0xc3, // ret
		// path:
	}
	code = append(code, "/dev/kvm\x00"...)

	const (
		base    = 0x40_0000
		headers = 64 + 56 // of the file, and of its only segment
	)
	le := binary.LittleEndian
	b := append([]byte("\x7fELF"), 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0) // 64-bit, little-endian
	b = le.AppendUint16(b, 2)                                          // ET_EXEC
	b = le.AppendUint16(b, 62)                                         // EM_X86_64
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, base+headers) // entry
	b = le.AppendUint64(b, 64)           // of the program headers
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} { // sizes and numbers of headers
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5) // readable, executable
	size := uint64(headers + len(code))
	for _, v := range []uint64{0, base, base, size, size, 0x1000} { // offset, addresses, sizes, alignment
		b = le.AppendUint64(b, v)
	}
	return append(b, code...)
}
