// Package nest is the test rig: it runs a command under a full KVM host that
// is itself emulated.
//
// QEMU's software emulator (TCG) is given an EPYC with SVM, boots a stock
// Debian kernel with kvm-amd in it, and mounts this machine's root filesystem
// over 9p. A command that runs inside sees the same absolute paths, the same
// working directory and the same Go build cache as outside, and in addition a
// /dev/kvm whose guests run their ring 0 for real. That is what tests with an
// unmodified Linux guest need, on machines without hardware virtualisation.
//
//	code, err := nest.Run(ctx, nest.Config{Stdout: os.Stdout, Stderr: os.Stderr}, "./pkg.test", "-test.v")
//
// A program for arm64, which must be linked statically, gets an arm64 machine
// with virtualisation in the same way; what else it runs are busybox's applets, and
// what comes with its libraries, as [Emulator] does.
//
// The package also owns what such tests are made of: the Debian kernels
// ([Kernel], [KernelFiles.Vmlinux]), their modules ([KernelFiles.ModuleFiles])
// and small initial ramdisks ([Initramfs], [GuestInitrd]).
//
// Package nest must not know the monitor: it imports nothing of vmm, patch or
// elfdiff, and only tests and test commands may import it. It never prints,
// keeps no state but its cache directory, and needs no privileges besides
// reading the files of the root filesystem that a command wants to see.
//
// Every exported function may be called from any goroutine.
package nest
