package acpi

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// lintCode applies the rules about AML to the DSDT and the SSDTs together.
func lintCode(s *Set, r *report, arch Arch, read func([]byte) (*Code, error)) {
	var list []*Code

	for _, t := range s.Tables {
		var body []byte

		switch t := t.(type) {
		case *DSDT:
			body = t.Body
		case *SSDT:
			body = t.Body
		default:
			continue
		}

		c, err := read(body)
		if err != nil {
			r.fault("aml-unreadable", t.Signature(), "%v", err)
			continue
		}

		list = append(list, c)
	}

	all := joined(list)

	if arch == ArchARM64 {
		lintARM64Code(all, r)
	}

	lintDevices(s, all, r)
}

// lintARM64Code reports what Linux's list says must not be there.
func lintARM64Code(c *Code, r *report) {
	forbidden := map[string]string{
		"_GL_": "the global lock", "_GPE": "general purpose events", "_PIC": "interrupt models of the PC",
		"_PDC": "deprecated: use _OSC", "_PTC": "throttling of the PC", "_TSS": "throttling of the PC",
	}

	for _, n := range c.Names {
		for part := range strings.SplitSeq(strings.TrimLeft(n, `\^`), ".") {
			for len(part) < signatureSize {
				part += "_"
			}

			if why, ok := forbidden[part]; ok {
				r.warn("arm64-aml", "DSDT", "%s: %s is not used on arm64: %s", n, part, why)
			}
		}
	}

	for i := range c.Devices {
		d := &c.Devices[i]
		if d.is("PNP0A03", "PNP0A08", "LNRO0005", "ARMH0330") && !inherits(c, d, "_CCA") {
			r.fault("arm64-cca", "DSDT", "%s can be a bus master and has no _CCA, nor has a device above it", d.Path)
		}
	}
}

// inherits says whether a device, or one above it, defines a name.
func inherits(c *Code, d *CodeDevice, name string) bool {
	if d.has(name) {
		return true
	}

	for i := range c.Devices {
		if o := &c.Devices[i]; strings.HasPrefix(d.Path, o.Path+".") && o.has(name) {
			return true
		}
	}

	return false
}

// lintDevices compares the devices with each other and with the MADT.
func lintDevices(s *Set, c *Code, r *report) {
	uids, lines := map[uint64]string{}, map[uint32]string{}
	places := map[string]bool{} // _HID and _UID together

	for i := range c.Devices {
		d := &c.Devices[i]

		if d.is("PNP0A03", "PNP0A08") && !d.has("_PRT") {
			r.warn("aml-prt", "DSDT", "%s is a host bridge without _PRT: devices on it have no INTx", d.Path)
		}

		if d.HID == "" && !d.has("_HID") && !d.has("_ADR") && !d.has("_CLS") {
			r.warn("aml-hid", "DSDT", "%s has neither _HID nor _ADR", d.Path)
		}

		if d.HasUID && d.HID != "" {
			key := d.HID + " " + strconv.FormatUint(d.UID, 10)
			if places[key] {
				r.fault("aml-uid", "DSDT", "%s: there is another %s with _UID %d", d.Path, d.HID, d.UID)
			}

			places[key] = true
		}

		if d.is("ACPI0007") {
			if !d.HasUID {
				r.fault("aml-processor", "DSDT", "%s is a processor without a constant _UID", d.Path)
			}

			uids[d.UID] = d.Path
		}

		// The interrupts of a GED are its own: Linux asks for them exclusively.
		if d.is("ACPI0013") {
			for _, l := range d.Interrupts {
				if lines[l] != "" {
					r.fault("aml-ged", "DSDT", "interrupt %d of %s is that of %s too", l, d.Path, lines[l])
				}

				lines[l] = d.Path
			}
		}
	}

	for i := range c.Devices {
		d := &c.Devices[i]
		for _, l := range d.Interrupts {
			if owner := lines[l]; owner != "" && owner != d.Path && !d.is("ACPI0013") {
				r.fault("aml-ged", "DSDT", "interrupt %d of %s is that of %s too", l, owner, d.Path)
			}
		}
	}

	lintProcessorDevices(s, r, uids)
}

// lintProcessorDevices compares the processors of the AML with the MADT's.
func lintProcessorDevices(s *Set, r *report, uids map[uint64]string) {
	if _, ok := First[*MADT](s); !ok || len(uids) == 0 {
		return
	}

	known := map[uint64]bool{}

	for _, p := range s.processors() {
		if !p.enabled {
			continue
		}

		if known[uint64(p.uid)] = true; uids[uint64(p.uid)] == "" {
			r.warn("aml-processor", "DSDT", "processor UID %d of the MADT has no device", p.uid)
		}
	}

	for _, uid := range slices.Sorted(maps.Keys(uids)) {
		if !known[uid] {
			r.fault("aml-processor", "DSDT", "%s has _UID %d, which is not in the MADT", uids[uid], uid)
		}
	}
}
