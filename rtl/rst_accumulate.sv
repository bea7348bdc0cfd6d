// One accumulation: the exact sum, then wrapped or saturated to AccBits. Combinational.
module rst_accumulate #(
  parameter int AccBits = 32,
  parameter int AddBits = 20,
  parameter int Overflow = ristretto_pkg::OverflowWrap
) (
  input  logic signed [AccBits-1:0] acc_i,
  input  logic signed [AddBits-1:0] add_i,
  output logic signed [AccBits-1:0] acc_o,
  output logic                      ovf_o  // the exact sum does not fit AccBits
);
  // verilator coverage_off
  initial begin
    if (AccBits < 2 || AddBits < 1) $fatal(1, "AccBits must be at least 2, AddBits at least 1");
    if (Overflow != ristretto_pkg::OverflowWrap && Overflow != ristretto_pkg::OverflowSaturate)
      $fatal(1, "Overflow is not known");
  end
  // verilator coverage_on

  localparam int Bits = ristretto_pkg::max_of(AccBits, AddBits) + 1;

  logic signed [Bits-1:0] sum;
  assign sum = Bits'(acc_i) + Bits'(add_i);

  // It fits if all bits above the accumulator's sign equal it.
  assign ovf_o = (sum[Bits-1:AccBits-1] != {(Bits-AccBits+1){sum[Bits-1]}});

  if (Overflow == ristretto_pkg::OverflowSaturate) begin : gen_saturate
    assign acc_o = !ovf_o ? sum[AccBits-1:0] : {sum[Bits-1], {(AccBits-1){~sum[Bits-1]}}};
  end else begin : gen_wrap
    assign acc_o = sum[AccBits-1:0];
  end

  `include "checks/rst_accumulate_check.svh"
endmodule
