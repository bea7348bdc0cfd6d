// Included before everything else in the compilation of a Verilated model and of Verilator's runtime: what the model
// prints is kept for a message, and a failed assertion or a fatal error throws instead of ending the process.
#ifndef RISTRETTO_VERILATE_SHIM_RUNTIME_H
#define RISTRETTO_VERILATE_SHIM_RUNTIME_H

int rs_shim_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define VL_PRINTF rs_shim_printf
#define VL_USER_STOP
#define VL_USER_FATAL

#endif
