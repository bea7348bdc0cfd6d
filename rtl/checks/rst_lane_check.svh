// Assertions of rst_lane, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
// A result is made of a legal shift and width. (A channel's own shift is anything in a lane that
// has no channel.)
`RST_ASSUME_CLOCKED(a_shift, !result_en_i || (32'(shift_i) >= ristretto_pkg::ShiftMin &&
    32'(shift_i) <= ristretto_pkg::ShiftMax && !(Minifloat && shift_i < 0)))
`RST_ASSUME_CLOCKED(a_out_bits, !result_en_i ||
    (out_bits_i != '0 && 32'(out_bits_i) <= ActBits))
`endif
