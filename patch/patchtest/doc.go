// Package patchtest is for people who write patches, and test them in process before they
// go anywhere: what the patch changes, that nobody ever sees half of it, and that whatever
// goes wrong while it is applied leaves nothing behind.
//
//	func TestFix(t *testing.T) {
//		handle := func(sec patch.Section) string { return srv.handle(sec, "GET /") }
//
//		old, fixed := patchtest.Compare(t, fix, patchtest.Options{}, handle)
//		// old and fixed are what they should be ...
//
//		patchtest.Hammer(t, fix, patchtest.Options{}, handle)
//		patchtest.Fail(t, fix, patchtest.Options{}, handle)
//	}
//
// Each of them applies the patch many times to a domain of its own, so the patch must be
// one that can be applied again: what it owns has to be restored by its hooks. Slots are
// called with the section given, as programs do; what calls Slot.Get isn't patched here.
//
// It needs no KVM, and starts no machine. A device's slots are tested by calling its
// handler with the section.
package patchtest
