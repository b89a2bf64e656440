package testutil

import "github.com/vgraft/vgraft/internal/testutil/layers"

// LayersEnv names a file to which every test that passed in a layer appends a
// line "<layer> <package path>/<test name>".
const LayersEnv = layers.Env
