package patch

import "fmt"

// Expectation is what must hold in a domain for a patch to be applied to it. Make it
// with Expect, ExpectDeclared or ExpectValue. It is checked before anything changes, in
// a dry run too.
type Expectation struct {
	what  string
	check func(*view) (found string, ok bool)
}

// ExpectValue is the expectation that a package variable has the value. It is read with
// no lock of yours: it is for what isn't written while patches are applied.
func ExpectValue[T comparable](name string, p *T, want T) Expectation {
	return Expectation{what: "variable " + name, check: func(*view) (string, bool) {
		return fmt.Sprintf("%v and not %v", *p, want), *p == want
	}}
}

// Owned is a variable that belongs to a patch. Make it with Own.
type Owned struct {
	name     string
	pristine func() bool
}

// Own says that the variable belongs to the patch, and should be as it is now whenever
// the patch is applied. It is read with no lock of yours, when the patch is applied.
func Own[T comparable](name string, p *T) Owned {
	was := *p

	return Owned{name: name, pristine: func() bool { return *p == was }}
}

// expectations checks everything that the patch wants of a domain with that view.
func (p *Patch) expectations(d *Domain, v *view) (err error) {
	what := ""

	// A comparison of interface values can panic, and so can a pointer that is wrong.
	defer func() {
		if r := recover(); r != nil {
			err = &ExpectationError{Patch: p.Name(), Domain: d.name, What: what, Found: fmt.Sprintf("panic: %v", r)}
		}
	}()

	for _, e := range p.spec.Expect {
		what = e.what
		if found, ok := e.check(v); !ok {
			return &ExpectationError{Patch: p.Name(), Domain: d.name, What: what, Found: found}
		}
	}

	for _, o := range p.spec.Owned {
		what = "variable " + o.name
		if !o.pristine() {
			return &StateError{Op: OpApply, Patch: p.Name(), Domain: d.name, Err: ErrChanged, Detail: o.name}
		}
	}

	return nil
}

// ExpectationError is a patch that was not applied because something isn't as the
// patch expects. Nothing was changed anywhere.
type ExpectationError struct {
	Patch, Domain string
	What          string // "slot x" or "variable x"
	Found         string
}

func (e *ExpectationError) Error() string {
	return fmt.Sprintf("patch: %q on domain %q: %s: found %s", e.Patch, e.Domain, e.What, e.Found)
}

// Is makes every ExpectationError an ErrExpectation.
func (e *ExpectationError) Is(target error) bool { return target == ErrExpectation }
