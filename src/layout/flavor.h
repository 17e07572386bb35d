/* How the VM runs Erlang code. */
#ifndef XB_LAYOUT_FLAVOR_H
#define XB_LAYOUT_FLAVOR_H

enum xb_flavor {
	XB_FLAVOR_EMU, /* the interpreter: threaded code run by process_main() */
	XB_FLAVOR_JIT, /* BeamAsm: native code */
};

#endif
