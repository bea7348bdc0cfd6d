// Assertions of rst_ram, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
`RST_ASSUME_CLOCKED(a_write_range, !we_i || 32'(waddr_i) < Depth)
`endif
