// The names by which the guest knows the constants of fifo.go and guest.go: go_asm.h
// is what the compiler makes of them, so that each stands in one place only.

#include "go_asm.h"

#define COUNTERS const_counterBase
#define PORT const_portBase
#define BEGIN const_portBegin
#define DATA const_portData
#define NEIGHBOUR const_portNeighbour
#define DONE const_portDone
#define WORDS const_messageWords
#define INTACT const_intact
