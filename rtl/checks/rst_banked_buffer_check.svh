// Assertions of rst_banked_buffer, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
`RST_ASSUME_CLOCKED(a_count, !we_i || 32'(wcount_i) <= Writes)

// Each element of a run goes to a bank of its own.
logic [NumBanks-1:0] bank_we, bank_outside;
logic [15:0] number;
for (genvar b = 0; b < NumBanks; b++) begin : gen_bank_we
  assign bank_we[b] = gen_bank[b].we;
  assign bank_outside[b] = 32'(gen_bank[b].bank_wrow) >= Rows;
end
always_comb begin
  number = '0;
  for (int b = 0; b < NumBanks; b = b + 1) number = number + 16'(bank_we[b]);
end
`RST_ASSERT_CLOCKED(a_banks, !we_i || number == 16'(wcount_i) || bank_outside != '0)
`endif
