// Assertions of rst_program_memory, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
`RST_ASSUME_CLOCKED(a_write_range, !we_i || 32'(waddr_i[AddrBits+5:6]) < Depth)
`RST_ASSUME_CLOCKED(a_read_range, !re_i || 32'(raddr_i) < Depth)
`endif
