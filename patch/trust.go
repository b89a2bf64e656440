package patch

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// trust is what an engine lets in.
type trust struct {
	loader   Loader
	maxFile  int
	unsigned bool // files without a signature
	keys     map[KeyID]ed25519.PublicKey
	err      error // what was wrong with the options

	mu          sync.Mutex // guards what follows
	revoked     map[ID]bool
	revokedKeys map[KeyID]bool

	// Of these, what the journal has: not what the options say each time anew.
	kept     map[ID]bool
	keptKeys map[KeyID]bool
}

func newTrust(o Options) *trust {
	t := &trust{
		loader: o.Loader, maxFile: o.MaxFile, unsigned: o.AllowUnsigned,
		keys: map[KeyID]ed25519.PublicKey{}, revoked: map[ID]bool{}, revokedKeys: map[KeyID]bool{},
		kept: map[ID]bool{}, keptKeys: map[KeyID]bool{},
	}

	if t.maxFile <= 0 {
		t.maxFile = defaultMaxFile
	}

	for i, k := range o.TrustedKeys {
		// To go on with fewer keys than were meant would look like patches that nobody
		// trusts, much later.
		if len(k) != ed25519.PublicKeySize {
			t.err = fmt.Errorf("%w: trusted key %d of the options has %d bytes", ErrInvalid, i, len(k))
		}

		t.keys[KeyIDOf(k)] = k
	}

	for _, id := range o.Revoked {
		t.revoked[normal(id)] = true
	}

	for _, k := range o.RevokedKeys {
		t.revokedKeys[normal(k)] = true
	}

	if o.Journal != nil { // whatever build wrote it
		before := o.Journal.Previous()
		t.keep(before.Revoked...)
		t.keepKeys(before.RevokedKeys...)
	}

	return t
}

// keep revokes ids that the journal has, or will have.
func (t *trust) keep(ids ...ID) {
	t.mu.Lock()
	defer t.mu.Unlock()

	for _, id := range ids {
		t.revoked[id], t.kept[id] = true, true
	}
}

func (t *trust) keepKeys(keys ...KeyID) {
	t.mu.Lock()
	defer t.mu.Unlock()

	for _, k := range keys {
		t.revokedKeys[k], t.keptKeys[k] = true, true
	}
}

// keeps is what the journal should have.
func (t *trust) keeps() ([]ID, []KeyID) {
	t.mu.Lock()
	defer t.mu.Unlock()

	return slices.Sorted(maps.Keys(t.kept)), slices.Sorted(maps.Keys(t.keptKeys))
}

// normal is an id as the package writes it.
func normal[S ~string](id S) S { return S(strings.ToLower(string(id))) }

// Revoke has the engine take the patch with this id no more: it can't be uploaded, loaded,
// applied, or put in place of others. Where it is applied it stays, and is listed as
// revoked: reverting and unloading it are the operator's to do, and work as ever. As long
// as it is applied everywhere, no further domain can be attached: such a domain would have
// to begin with it. A transition that is under way isn't called back.
//
// With a journal it lasts as long as that: engines that are made with it later, in another
// build of the program too, begin with it. Without one it lasts as long as the engine. The
// error is that it couldn't be written down, or that the id is none, ErrInvalid; what couldn't
// be written down is revoked as long as the engine lasts, and written with what comes next.
// Options.Revoked is for what is known from the start.
func (e *Engine) Revoke(id ID) error {
	if id == "" || !utf8.ValidString(string(id)) {
		return fmt.Errorf("patch: revoke %q: %w", id, ErrInvalid)
	}

	id = normal(id)
	e.trust.keep(id)
	err := e.noteRevoked()
	e.emit(Event{Kind: EventRevoked, ID: id, Patch: e.nameOf(id)})

	return err
}

// RevokeKey does the same for every patch that was, or will be, uploaded with a signature
// of this key.
func (e *Engine) RevokeKey(key KeyID) error {
	if key == "" || !utf8.ValidString(string(key)) {
		return fmt.Errorf("patch: revoke key %q: %w", key, ErrInvalid)
	}

	key = normal(key)
	e.trust.keepKeys(key)
	err := e.noteRevoked()
	e.emit(Event{Kind: EventRevoked, Key: key})

	return err
}

func (e *Engine) nameOf(id ID) string {
	if s, err := e.Get(string(id)); err == nil {
		return s.Patch.Name()
	}

	return ""
}

func (t *trust) idRevoked(id ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.revoked[id]
}

func (t *trust) keyRevoked(k KeyID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.revokedKeys[k]
}

// revokes says why the patch is revoked; empty is that it isn't.
func (t *trust) revokes(p *Patch) string {
	t.mu.Lock()
	defer t.mu.Unlock()

	switch {
	case t.revoked[p.ID()]:
		return "its id, " + string(p.ID())
	case p.file.Signer != "" && t.revokedKeys[p.file.Signer]:
		return "key " + string(p.file.Signer) + ", which signed it"
	}

	return ""
}

// permits says whether the operation may bring the patch in. What takes a patch away is
// always permitted.
func (t *trust) permits(op Op, p *Patch) error {
	if op != OpUpload && op != OpApply && op != OpReplace {
		return nil
	}

	if why := t.revokes(p); why != "" {
		return &StateError{Op: op, Patch: p.Name(), Err: ErrRevoked, Detail: why}
	}

	if p.life.isGone() {
		return &StateError{Op: op, Patch: p.Name(), Err: ErrUnknown, Detail: "it was unloaded, and with it what its file was mapped to: upload the file again"}
	}

	return nil
}

// permitted is plan for patches that may come: what a patch expects is asked by code that
// may be its own, and gone.
func (t *transit) permitted(ctx context.Context) error {
	if err := t.trust.permits(t.op, t.patch); err != nil {
		return err
	}

	if err := t.plan(ctx); err != nil {
		return err
	}

	return t.planWords()
}
