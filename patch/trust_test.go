package patch_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// TestRevoke: what is revoked comes nowhere any more, by no way, and can be taken out.
func TestRevoke(t *testing.T) {
	key := newKey(1)
	file := signed(t, "fix", key)

	for name, revoke := range map[string]func(*patch.Engine, *patch.Patch) error{
		"id":  func(e *patch.Engine, p *patch.Patch) error { return e.Revoke(p.ID()) },
		"key": func(e *patch.Engine, _ *patch.Patch) error { return e.RevokeKey(patch.KeyIDOf(publicOf(key))) },
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := uploads(patch.Options{TrustedKeys: []ed25519.PublicKey{publicOf(key)}})
			d, other := patch.NewDomain("d"), patch.NewDomain("other")
			require.NoError(t, e.Attach(t.Context(), d))

			p, err := e.Upload(t.Context(), bytes.NewReader(file))
			require.NoError(t, err)
			_, err = e.Apply(t.Context(), p, patch.Everywhere())
			require.NoError(t, err)

			require.NoError(t, revoke(e, p))

			require.True(t, e.List()[0].Revoked)
			require.Equal(t, 1, e.Stats().Revoked)
			require.Equal(t, "fix beta gamma", answers(d), "it stays where it is")

			on := patch.On(other)
			_, err = e.Apply(t.Context(), p, on)
			require.ErrorIs(t, err, patch.ErrRevoked)
			_, err = e.Replace(t.Context(), p, on)
			require.ErrorIs(t, err, patch.ErrRevoked)
			_, err = e.DryRun(t.Context(), patch.OpApply, p, on)
			require.ErrorIs(t, err, patch.ErrRevoked)
			require.ErrorIs(t, e.Load(t.Context(), p), patch.ErrRevoked)
			require.ErrorIs(t, e.Attach(t.Context(), other), patch.ErrRevoked)
			require.Equal(t, declared, answers(other))
			require.Len(t, e.Domains(), 1)

			_, err = e.Revert(t.Context(), p, patch.Everywhere())
			require.NoError(t, err)
			require.NoError(t, e.Unload(t.Context(), p))
			require.NoError(t, e.Attach(t.Context(), other), "nothing is in the way any more")

			_, err = e.Upload(t.Context(), bytes.NewReader(file))
			require.ErrorIs(t, err, patch.ErrRevoked)
			require.Empty(t, e.List())
		})
	}
}

func TestRevoke_byOptions(t *testing.T) {
	p := fix(t, "p", alpha)
	e := patch.NewEngine(patch.Options{Revoked: []patch.ID{p.ID()}})

	require.ErrorIs(t, e.Load(t.Context(), p), patch.ErrRevoked)

	// A key revokes what it signed, and not what nobody signed.
	e = patch.NewEngine(patch.Options{RevokedKeys: []patch.KeyID{""}})
	require.NoError(t, e.Load(t.Context(), p))

	require.ErrorIs(t, e.Revoke(""), patch.ErrInvalid)
	require.ErrorIs(t, e.Revoke("\xff"), patch.ErrInvalid)
	require.ErrorIs(t, e.RevokeKey(""), patch.ErrInvalid)
}
