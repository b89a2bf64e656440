// Package emit writes payloads: it is a small linker for functions, types and variables
// that join a program which already runs.
//
// It decides nothing. What goes into a payload, and where all else lives, is in a Plan;
// Emit lays the symbols out in three segments, fills in every reference that stays in the
// image, leaves to the loader those that can't be known before, and writes the tables
// that the Go runtime wants of a module: functions by program counter, pointer masks, type
// links, and the module record that has all of it.
//
// What the garbage collector sees is exact: no word is marked that holds no pointer. What
// can't be written is a typed error, and Verify reads the result back.
package emit
