package patch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func journalPath(t testing.TB) string { return filepath.Join(t.TempDir(), "patches.journal") }

func mustOpen(t testing.TB, path string) *Journal {
	t.Helper()

	j, err := OpenJournal(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })

	return j
}

// found is the record that the next process finds.
func found(t testing.TB, path string) Record {
	t.Helper()

	j, err := OpenJournal(path)
	require.NoError(t, err)
	require.NoError(t, j.Close())

	return j.Previous()
}

// newRecord is a record with something in every field.
func newRecord(host string) Record {
	return Record{
		Version:    journalVersion,
		Host:       host,
		Time:       time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC),
		Pending:    &RecordedOp{Op: "apply", Patch: "id-2", Domains: []string{"vm-1", "vm-2"}},
		Domains:    []RecordedDomain{{Name: "vm-1", Stack: []ID{"id-1", "id-2"}}, {Name: "vm-2"}},
		Everywhere: []ID{"id-1"},
		Patches: []RecordedPatch{
			{ID: "id-1", Name: "of a file", Digest: strings.Repeat("0f", 32)},
			{ID: "id-2", Name: `of "functions" <&> ü`},
		},
	}
}

func TestJournal_roundTrip(t *testing.T) {
	path := journalPath(t)

	j := mustOpen(t, path)
	require.Zero(t, j.Previous())
	require.NoFileExists(t, path, "opening alone writes nothing")

	local := newRecord("first")
	local.Time = local.Time.In(time.FixedZone("here", 3600))
	local.Version = 0

	require.NoError(t, j.write(local))
	require.NoError(t, j.write(newRecord("second")))
	require.Zero(t, j.Previous(), "what was found stays what was found")
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.write(newRecord("third")), os.ErrClosed)

	require.Equal(t, newRecord("second"), found(t, path))
	require.NoFileExists(t, path+".new")

	j = mustOpen(t, path)
	require.NoError(t, j.write(local))
	require.NoError(t, j.Close())
	require.Equal(t, newRecord("first"), found(t, path))

	j = mustOpen(t, path)
	require.NoError(t, j.write(Record{}))
	require.NoError(t, j.Close())
	require.Equal(t, Record{Version: journalVersion}, found(t, path))
}

func TestJournal_oneAtATime(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no lock there")
	}

	path := journalPath(t)
	j := mustOpen(t, path)

	_, err := OpenJournal(path)
	require.ErrorIs(t, err, ErrJournalInUse)
	require.ErrorContains(t, err, path)

	require.NoError(t, j.write(newRecord("host")))

	_, err = OpenJournal(path)
	require.ErrorIs(t, err, ErrJournalInUse, "a write doesn't give it free")

	require.NoError(t, j.Close())
	require.Equal(t, newRecord("host"), found(t, path))
}

// TestJournal_badFile: whatever is wrong with it, the file stays, and so does the lock's
// freedom.
func TestJournal_badFile(t *testing.T) {
	good, err := encodeJournal(newRecord("host"))
	require.NoError(t, err)

	for n := range good { // torn anywhere
		_, err := decodeJournal(good[:n])
		require.ErrorIs(t, err, ErrJournal, "%d bytes", n)
	}

	for i := range good { // changed anywhere
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		_, err := decodeJournal(bad)
		require.ErrorIs(t, err, ErrJournal, "byte %d", i)
	}

	for name, content := range map[string]string{
		"empty":      "",
		"torn":       string(good[:len(good)/2]),
		"edited":     strings.Replace(string(good), "vm-1", "vm-9", 1),
		"not ours":   "hello\n",
		"newer":      signJournal(strings.Replace(body(good), `"Version": 1`, `"Version": 2, "New": []`, 1)),
		"with zeros": string(good) + "\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			path := journalPath(t)
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))

			for range 2 {
				j, err := OpenJournal(path)
				require.ErrorIs(t, err, ErrJournal)
				require.Nil(t, j)

				var bad *JournalError
				require.ErrorAs(t, err, &bad)
				require.Equal(t, path, bad.Path)
				require.ErrorContains(t, err, path)
			}

			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, content, string(left))
		})
	}
}

func TestJournal_notAFile(t *testing.T) {
	dir := t.TempDir()

	_, err := OpenJournal(dir)
	require.ErrorIs(t, err, ErrJournal)

	if runtime.GOOS != "windows" {
		link := journalPath(t)
		require.NoError(t, os.Symlink(dir+"/elsewhere", link))

		_, err = OpenJournal(link)
		require.ErrorIs(t, err, ErrJournal)
	}

	_, err = OpenJournal(dir + "/missing/journal")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestJournal_tooLarge(t *testing.T) {
	path := journalPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, maxJournal+1))

	_, err := OpenJournal(path)
	require.ErrorIs(t, err, ErrJournal)
	require.ErrorContains(t, err, "longer than")

	j := mustOpen(t, journalPath(t))
	require.NoError(t, j.write(newRecord("host")))
	require.ErrorContains(t, j.write(newRecord(strings.Repeat("x", maxJournal))), "more than 16777216")
	require.NoError(t, j.Close())
	require.Equal(t, newRecord("host"), found(t, j.path))
}

// body is the JSON of a journal, and signJournal puts the right checksum below one.
func body(file []byte) string {
	return string(file[:len(file)-len(journalSum)-2*sha256.Size-1])
}

func signJournal(body string) string {
	sum := sha256.Sum256([]byte(body))
	return body + journalSum + hex.EncodeToString(sum[:]) + "\n"
}

// TestDecodeJournal_refuses: of these the checksum is right, so an editor made them, or
// another version of this program.
func TestDecodeJournal_refuses(t *testing.T) {
	good, err := encodeJournal(newRecord("host"))
	require.NoError(t, err)

	_, err = decodeJournal([]byte(signJournal(body(good))))
	require.NoError(t, err)

	for name, c := range map[string]struct{ old, new, want string }{
		"unknown version":   {`"Version": 1`, `"Version": 2`, "version 2, and this program knows 1 only"},
		"no version":        {`"Version": 1,`, ``, "version 0"},
		"unknown field":     {`"Version": 1,`, `"Version": 1, "More": 1,`, `unknown field "More"`},
		"unknown in a list": {`"Name": "vm-1"`, `"Name": "vm-1", "More": 1`, `unknown field "More"`},
		"other letters":     {`"Host"`, `"host"`, "not as this program writes it"},
		"field twice":       {`"Host": "host"`, `"Host": "x", "Host": "host"`, "not as this program writes it"},
		"other spaces":      {`"Version": 1`, `"Version":  1`, "not as this program writes it"},
		"other time":        {`05.6789Z`, `05.678900Z`, "not as this program writes it"},
		"no time":           {`2026-01-02T`, `2026-13-02T`, "parsing time"},
		"wrong type":        {`"Host": "host"`, `"Host": 7`, "cannot unmarshal number"},
		"no JSON":           {`"Version": 1,`, `"Version": 1;`, "invalid character"},
		"domain twice":      {`"Name": "vm-2"`, `"Name": "vm-1"`, `domain "vm-1" is there twice`},
		"patch twice":       {`"ID": "id-2"`, `"ID": "id-1"`, `patch id "id-1" is there twice`},
		"patch in no list":  {`"id-1",`, `"id-7",`, `domain "vm-1" has patch "id-7", which isn't in the list`},
		"twice in a stack":  {`"id-1",`, `"id-2",`, `domain "vm-1" has patch "id-2" twice`},
		"patch without id":  {`"ID": "id-1"`, `"ID": ""`, `has no id`},
		"digest":            {`0f0f`, `0F0F`, "its digest is no SHA-256"},
		"short digest":      {`0f0f`, ``, "its digest is no SHA-256"},
		"pending no op":     {`"apply"`, `""`, "one of them is empty"},
		"pending twice":     {`"vm-2"`, `"vm-1"`, `pending operation "apply": domain "vm-1" is there twice`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(body(good), c.old, c.new, 1)
			require.NotEqual(t, body(good), changed)

			r, err := decodeJournal([]byte(signJournal(changed)))
			require.ErrorIs(t, err, ErrJournal)
			require.ErrorContains(t, err, c.want)
			require.Zero(t, r)
		})
	}

	_, err = decodeJournal([]byte(signJournal(body(good) + "{}\n")))
	require.ErrorIs(t, err, ErrJournal)
	_, err = decodeJournal([]byte(signJournal("")))
	require.ErrorIs(t, err, ErrJournal)
	_, err = decodeJournal([]byte(signJournal("null\n")))
	require.ErrorIs(t, err, ErrJournal)
}

// TestJournal_writeRefuses what the next process could not read.
func TestJournal_writeRefuses(t *testing.T) {
	j := mustOpen(t, journalPath(t))
	require.NoError(t, j.write(newRecord("host")))

	for name, spoil := range map[string]func(*Record){
		"domain twice":     func(r *Record) { r.Domains[1].Name = "vm-1" },
		"host not UTF-8":   func(r *Record) { r.Host = "\xff" },
		"patch not UTF-8":  func(r *Record) { r.Patches[1].Name = "\xff" },
		"domain not UTF-8": func(r *Record) { r.Domains[1].Name = "\xff" },
		"op not UTF-8":     func(r *Record) { r.Pending.Op = "\xff" },
		"target not UTF-8": func(r *Record) { r.Pending.Domains[0] = "\xff" },
		"time":             func(r *Record) { r.Time = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		r := newRecord("other")
		spoil(&r)
		require.Error(t, j.write(r), name)
	}

	require.NoError(t, j.Close())
	require.Equal(t, newRecord("host"), found(t, j.path))
}

var errInjected = errors.New("injected")

// inject makes one step fail, after it has done what fails do: half of a write, say.
func inject(s *journalSteps, step string, fail func() error) {
	switch real := *s; step {
	case "create":
		s.create = func(string) (*os.File, error) { return nil, fail() }
	case "write":
		s.write = func(f *os.File, b []byte) error { return errors.Join(real.write(f, b[:len(b)/2]), fail()) }
	case "sync":
		s.sync = func(*os.File) error { return fail() }
	case "rename":
		s.rename = func(string, string) error { return fail() }
	case "sync the directory":
		s.syncDir = func(string) error { return fail() }
	default:
		panic(step)
	}
}

var journalStepNames = []string{"create", "write", "sync", "rename", "sync the directory"}

// TestJournal_everyStepFails: the record before is the record, in this process and the
// next, and writing works again when the cause is gone.
func TestJournal_everyStepFails(t *testing.T) {
	for _, step := range journalStepNames {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/first=%v", step, first), func(t *testing.T) {
				path := journalPath(t)
				j := mustOpen(t, path)
				want := Record{}

				if !first {
					want = newRecord("before")
					require.NoError(t, j.write(want))
				}

				inject(&j.steps, step, func() error { return errInjected })

				for range 2 {
					err := j.write(newRecord("after"))
					require.ErrorIs(t, err, errInjected)
					require.ErrorContains(t, err, path)
				}

				require.NoError(t, j.Close())
				require.Equal(t, want, found(t, path))
				require.NoFileExists(t, path+".new")

				j = mustOpen(t, path)
				require.NoError(t, j.write(newRecord("after")))
				require.NoError(t, j.Close())
				require.Equal(t, newRecord("after"), found(t, path))
			})
		}
	}
}

// TestJournal_everyStepCrashes ends the process, as far as a test can, in each step: what
// is on the disk is as the step left it, and nothing is tidied up.
func TestJournal_everyStepCrashes(t *testing.T) {
	for _, step := range journalStepNames {
		t.Run(step, func(t *testing.T) {
			path := journalPath(t)
			j, err := OpenJournal(path)
			require.NoError(t, err)
			require.NoError(t, j.write(newRecord("before")))

			// The rest of write never runs, and the lock of a dead process is free.
			inject(&j.steps, step, func() error { runtime.Goexit(); return nil })

			crashed := make(chan struct{})

			go func() {
				defer close(crashed)

				_ = j.write(newRecord("after"))
			}()

			<-crashed
			require.NoError(t, j.lock.Close())

			want := newRecord("before")
			if step == "sync the directory" {
				want = newRecord("after") // on the disk or not: whole it is
			}

			next, err := OpenJournal(path)
			require.NoError(t, err)
			require.Equal(t, want, next.Previous())

			require.NoError(t, next.write(newRecord("next")), "what the crash left is in nobody's way")
			require.NoError(t, next.Close())
			require.Equal(t, newRecord("next"), found(t, path))
		})
	}
}

// TestJournal_putBackFails: two failures in a row are told, and the file has a whole
// record.
func TestJournal_putBackFails(t *testing.T) {
	j := mustOpen(t, journalPath(t))
	require.NoError(t, j.write(newRecord("before")))

	inject(&j.steps, "sync the directory", func() error {
		inject(&j.steps, "sync", func() error { return os.ErrPermission })
		return errInjected
	})

	err := j.write(newRecord("after"))
	require.ErrorIs(t, err, errInjected)
	require.ErrorIs(t, err, os.ErrPermission)
	require.NoError(t, j.Close())
	require.Contains(t, []string{"before", "after"}, found(t, j.path).Host)
	require.NoFileExists(t, j.path+".new")
}

func TestJournal_concurrentWrites(t *testing.T) {
	path := journalPath(t)
	j := mustOpen(t, path)

	var wg sync.WaitGroup

	for i := range 4 {
		wg.Go(func() {
			for range 5 {
				if err := j.write(newRecord(fmt.Sprint("host-", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}

	wg.Wait()
	require.NoError(t, j.Close())
	require.Contains(t, found(t, path).Host, "host-")
}

// FuzzDecodeJournal: whatever the file, a record that is written in just this way, or an
// ErrJournal. Half of the inputs get a right checksum, so that the rest is reached.
func FuzzDecodeJournal(f *testing.F) {
	good, err := encodeJournal(newRecord("host"))
	require.NoError(f, err)

	empty, err := encodeJournal(Record{Version: journalVersion})
	require.NoError(f, err)

	revoked, err := encodeJournal(Record{Version: journalVersion, Revoked: []ID{"a", "b"}, RevokedKeys: []KeyID{"c"}})
	require.NoError(f, err)

	f.Add(string(good), false)
	f.Add(body(revoked), true)
	f.Add(strings.Replace(body(revoked), `"b"`, `"a"`, 1), true)
	f.Add(body(good), true)
	f.Add(body(empty), true)
	f.Add(strings.Replace(body(good), "vm-1", "vm-2", 1), true)
	f.Add(strings.Replace(body(good), `"Host"`, `"host"`, 1), true)
	f.Add("", false)
	f.Add("null\n", true)

	f.Fuzz(func(t *testing.T, file string, signed bool) {
		if signed {
			file = signJournal(file)
		}

		r, err := decodeJournal([]byte(file))
		if err != nil {
			var bad *JournalError
			require.ErrorAs(t, err, &bad)
			require.ErrorIs(t, err, ErrJournal)
			require.Zero(t, r)
			require.True(t, bad.Offset >= 0 && bad.Offset <= int64(len(file)), "offset %d", bad.Offset)

			return
		}

		again, err := encodeJournal(r)
		require.NoError(t, err)
		require.Equal(t, file, string(again))
	})
}
