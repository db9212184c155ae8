// Package probe moves the far ends of the rig's virtual board and watches, by the kernel's own trace, what the drivers
// do to the lines. It has nothing but tests (build tag rig), which run.sh takes into the board.
package probe
