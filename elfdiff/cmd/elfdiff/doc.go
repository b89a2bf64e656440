// Command elfdiff makes live patches for Go programs out of two builds.
//
//	elfdiff verb [flags] argument
//
//	bundle PROGRAM      save a program with what it was linked from, when it is released
//	diff BASE           say what a fix changes, and whether it can be patched
//	build BASE          make the payload, or say why there can't be one
//	coverage BASE       say what share of a program's functions a fix could reach
//	inspect PAYLOAD     say what a payload is for and does; nothing is verified
//	keygen              make a key to sign with, and the file of it that is trusted
//	sign PAYLOAD        sign a payload
//	verify PAYLOAD      say who has signed a payload, and whether that is somebody trusted
//	help                this text
//
// Flags, before or after the argument:
//
//	-o FILE             write it there
//	-json               JSON instead of text
//
// of bundle, diff, build and coverage, for where the program's source is and what the program doesn't record:
//
//	-dir DIR            of the main module, as it was; without it, the working directory
//	-package PATH       what was given to go build; again for each, if it was several files
//	-go COMMAND         the go command, such as that of a toolchain that was never released
//	-flag FLAG          another flag of go build, such as -flag=-mod=vendor; may be given again
//	-overlay FILE       of go build's -overlay
//	-ldflags FLAGS      of go build's -ldflags, which aren't recorded with -trimpath
//	-pgo FILE           of go build's -pgo, if it isn't where it was
//
// of diff and build. BASE is what runs: a bundle, or the program itself. The fix is built as it was, from
// -dir with what is laid over it, and the tree isn't changed:
//
//	-base-dir DIR       of the main module as BASE was built from it, if BASE is no bundle
//	-patch [ROOT=]FILE  a unified diff; ROOT is a directory, the path of a module, or std, and
//	                    -dir without it. May be given again, as may:
//	-module PATH@VERSION
//	                    another version of a module
//	-fixed FILE         nothing is built: the bundle, or the program, that has the fix
//	-process-wide       words of tables that are the whole process's may be overwritten
//	-accept KIND:NAME   a refusal that you know better; may be given again
//	-expect SYMBOL=HEX  a package variable must have these bytes in memory for the patch to be
//	                    applied, such as main.limit=0a00000000000000 for an int; of one with
//	                    pointers only zeroes. May be given again
//	-keep FILE          a bundle of the fixed program, for the fix after this one
//	-below PAYLOAD=BUNDLE
//	                    a payload that is applied already, and what -keep wrote for it; again
//	                    for each, the first that was applied first
//
// of coverage:
//
//	-only PATH          count functions of this package and of those below it; may be given again
//	-from SYMBOL        count what this function can make run, as the linker names it; may be
//	                    given again
//	-inside             by calls inside those packages alone: not what a logger calls back, say
//
// of build:
//
//	-name NAME          proposed for the patch
//	-key FILE           sign the payload, too
//
// of keygen, sign and verify:
//
//	-key FILE           the private key, in PEM as openssl genpkey -algorithm ed25519 writes it
//	-keys FILE          the trusted public keys, in PEM
//
// keygen writes the private key to -o and the public one beside it, with .pub at the end of
// the name. It overwrites nothing.
//
// Exit codes:
//
//	0  done
//	1  failed
//	2  it was called wrongly
//	3  refused: a change that can't be patched, a signature that is wrong, or of nobody who is
//	   trusted
package main
