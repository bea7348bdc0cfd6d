// Assertions of rst_flag_count, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
`RST_ASSERT_CLOCKED(a_number, !en_i || number <= lanes_i)
`endif
