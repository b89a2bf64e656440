package gort

import "errors"

// Errors of this package.
var (
	// ErrNotSupported is a system on which nothing can be loaded, or one that forbids it.
	ErrNotSupported = errors.New("payloads can't be loaded here")

	// ErrNoRoom is that nothing is free within reach of the program's instructions.
	ErrNoRoom = errors.New("no room near the program's text")

	// ErrAddress is an address that isn't the program's, or isn't what it is taken for.
	ErrAddress = errors.New("not an address of this program")

	// ErrContent is a word that holds something unexpected.
	ErrContent = errors.New("a word isn't as expected")

	// ErrText is that the system doesn't let the program's code be written, which entries need.
	ErrText = errors.New("the program's code can't be written")

	// ErrMissing is a payload that this one is linked against and that isn't loaded.
	ErrMissing = errors.New("linked against a payload that isn't loaded")

	// ErrMadeType is that reflection has made a type that the payload brings.
	ErrMadeType = errors.New("reflection has made a type already that the payload brings")

	// ErrRuntime is that the runtime didn't accept the payload.
	ErrRuntime = errors.New("the runtime refuses the payload")
)
