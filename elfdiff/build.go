package elfdiff

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
)

// Build is one build of a program: its ELF file and the compiler objects that it was linked
// from. Open, OpenBundle and FromSource make one. It isn't changed afterwards, so that
// several goroutines may read it.
type Build struct {
	ELF     []byte    // as linked, with symbols and debug information
	Objects []Object  // of every package, in the order of import paths
	Info    BuildInfo // what the ELF file says of itself

	packages []string // what was given to the go command; nil if nobody knows, and then see roots
	flags    []string // more than the program records, that the next build of it needs too
	ldflags  string   // -ldflags, which a program built with -trimpath doesn't record
	profile  []byte   // of -pgo; nil without
	builtins []byte   // builtinlist.go of the toolchain's cmd/internal/goobj; nil if it had none
}

// Object is what the compiler made of one package.
type Object struct {
	// Package is the import path as the go command gives it. That of the main package is
	// its path too, or "command-line-arguments"; its symbols begin with "main.".
	Package string

	// Archive is the content of the archive from the build cache, without its first
	// member, __.PKGDEF, which is what importers need and linkers don't.
	Archive []byte

	// Safe is true where the source is known not to import unsafe or C: a package that may
	// can look at memory as a type of which nothing in the object tells.
	Safe bool
}

// BuildInfo is what a program says of how it was built.
type BuildInfo struct {
	GoVersion  string            `json:"goVersion"` // as runtime.Version gives it: "go1.26.8-X:jsonv2"
	Path       string            `json:"path"`      // of the main package
	Main       debug.Module      `json:"main"`      // that the main package is in
	Deps       []debug.Module    `json:"deps,omitempty"`
	Settings   map[string]string `json:"settings"`          // as go version -m shows them
	BuildID    string            `json:"buildID"`           // by the rule of patch.BuildID
	OS         string            `json:"os"`                // GOOS
	Arch       string            `json:"arch"`              // GOARCH
	PIE        bool              `json:"pie"`               // it can be loaded at any address
	LDFlags    string            `json:"ldflags,omitempty"` // recorded, or else given to Open
	ProfileSum string            `json:"profile,omitempty"` // SHA-256 of the profile of -pgo
}

// Toolchain is the version of Go without the experiments: "go1.26.8".
func (i *BuildInfo) Toolchain() string {
	v, _ := splitVersion(i.GoVersion)
	return v
}

// Revision is what the version control system calls the source, or empty. A "+dirty" after
// it is for changes that weren't committed.
func (i *BuildInfo) Revision() string {
	rev := i.Settings["vcs.revision"]
	if rev != "" && i.Settings["vcs.modified"] == "true" {
		rev += "+dirty"
	}

	return rev
}

// Module is the main module as path@version; a working tree has no version.
func (i *BuildInfo) Module() string {
	if i.Main.Version == "" {
		return i.Main.Path
	}

	return i.Main.Path + "@" + i.Main.Version
}

// Differences names what was set differently for two builds and changes their code, one
// line each. It is empty for builds that can be compared. Versions of modules, what version
// control says and where a profile lies don't count.
func (i *BuildInfo) Differences(other *BuildInfo) []string {
	var out []string

	say := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %q and %q", what, a, b))
		}
	}

	say("Go version", i.GoVersion, other.GoVersion)
	say("main package", i.Path, other.Path)
	say("-ldflags", i.LDFlags, other.LDFlags)
	say("content of the profile", i.ProfileSum, other.ProfileSum)

	keys := maps.Clone(i.Settings)
	maps.Copy(keys, other.Settings)

	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if k == "vcs" || strings.HasPrefix(k, "vcs.") || k == "-pgo" || k == "-ldflags" {
			continue
		}

		say(k, i.Settings[k], other.Settings[k])
	}

	return out
}

// SameProgram says whether another ELF file is this build, perhaps stripped: the Go build
// id, in a note that strip leaves alone, is the same. A program that was linked without
// one, by -ldflags=-buildid=, is only itself when no byte differs.
//
// A program that is linked again with -ldflags=-s or -w is not the same: its build id
// differs, and nothing proves that the rest doesn't.
func (b *Build) SameProgram(elf []byte) bool { return b.Info.BuildID == buildIDOf(elf) }

// roots is what to give to the go command for this program: the path that it records, unless
// something else is known.
func (b *Build) roots() []string {
	if len(b.packages) == 0 {
		return []string{b.Info.Path}
	}

	return b.packages
}

// sumOf gives the SHA-256 in hexadecimal, or an empty string for nil.
func sumOf(content []byte) string {
	if content == nil {
		return ""
	}

	sum := sha256.Sum256(content)

	return hex.EncodeToString(sum[:])
}
