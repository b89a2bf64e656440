package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// Each is what Spec.New refuses. Whatever a Spec says, the error is an ErrInvalid, and has
// this text behind the name.
func TestSpec_mistakes(t *testing.T) {
	var undeclared patch.Slot[func() string]

	ok := []patch.Binding{patch.Func(alpha, says("x"))}

	for name, tc := range map[string]struct {
		spec patch.Spec
		want string
	}{
		"no name":           {patch.Spec{Bindings: ok}, "it has no name"},
		"long name":         {patch.Spec{Name: strings.Repeat("n", 128), Bindings: ok}, "its name is longer than 127 bytes"},
		"name with a space": {patch.Spec{Name: "a b", Bindings: ok}, "its name has a space, or what can't be printed"},
		"name not UTF-8":    {patch.Spec{Name: "a\xff", Bindings: ok}, "its name has a space, or what can't be printed"},
		"nothing":           {patch.Spec{Name: "p"}, "it binds nothing"},
		"id not hex":        {patch.Spec{Name: "p", Bindings: ok, ID: "xyz"}, `"xyz" is not a build-id in hexadecimal`},
		"id of half a byte": {patch.Spec{Name: "p", Bindings: ok, ID: "012"}, `"012" is not a build-id in hexadecimal`},
		"id in capitals":    {patch.Spec{Name: "p", Bindings: ok, ID: "AB"}, `"AB" is not a build-id in hexadecimal`},
		"long id": {
			patch.Spec{Name: "p", Bindings: ok, ID: patch.ID(strings.Repeat("ab", 65))},
			`"` + strings.Repeat("ab", 65) + `" is not a build-id in hexadecimal`,
		},
		"depends not hex":  {patch.Spec{Name: "p", Bindings: ok, Depends: "xyz"}, `"xyz" is not a build-id in hexadecimal`},
		"zero binding":     {patch.Spec{Name: "p", Bindings: []patch.Binding{{}}}, "a binding for no declared slot"},
		"undeclared slot":  {patch.Spec{Name: "p", Bindings: []patch.Binding{patch.Func(&undeclared, says("x"))}}, "a binding for no declared slot"},
		"nil function":     {patch.Spec{Name: "p", Bindings: []patch.Binding{patch.Func(alpha, nil)}}, "slot patch_test/alpha is bound to a nil function"},
		"bound twice":      {patch.Spec{Name: "p", Bindings: append(ok, ok...)}, "slot patch_test/alpha is bound twice"},
		"zero expectation": {patch.Spec{Name: "p", Bindings: ok, Expect: make([]patch.Expectation, 1)}, "an empty expectation"},
		"zero owned":       {patch.Spec{Name: "p", Bindings: ok, Owned: make([]patch.Owned, 1)}, "an empty owned variable"},
		"nameless state":   {patch.Spec{Name: "p", Bindings: ok, States: make([]patch.SystemState, 1)}, "a state without an id"},
		"state twice":      {patch.Spec{Name: "p", Bindings: ok, States: []patch.SystemState{{ID: "s"}, {ID: "s"}}}, "state s is listed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := tc.spec.New()
			require.Nil(t, p)
			require.ErrorIs(t, err, patch.ErrInvalid)
			require.EqualError(t, err, fmt.Sprintf("patch %q: invalid patch: %s", tc.spec.Name, tc.want))
		})
	}
}
