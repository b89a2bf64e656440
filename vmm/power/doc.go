// Package power is a machine's power management as a guest sees it by ACPI: buttons, a
// battery, a power supply, temperatures, idle states and performance of processors, and
// the generation of the machine.
//
// Each feature is a device: make it, put it into vmm.Config.Devices, and keep it to tell
// the guest of changes.
//
//	battery := power.NewBattery(power.BatteryInfo{...}, power.BatteryStatus{...})
//	m, err := vmm.New(ctx, vmm.Config{..., Devices: []vmm.Device{battery}})
//	...
//	battery.Update(power.BatteryStatus{State: power.Discharging, Remaining: 20000, ...})
//
// The same line works on amd64 and arm64: addresses and interrupts are the machine's to
// choose, and the guest finds them in its tables. A machine's power button is always there:
// see vmm.Machine.PowerButton.
//
// All methods of a feature may be called from any goroutine that is in no section of the
// machine's domain: before the machine is made, when they only change what the guest will
// find, and after it has ended, when they do nothing that anybody sees. A feature serves
// one machine. What a feature does when a guest, or its owner, touches it, are slots.
package power
