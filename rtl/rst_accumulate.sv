// One accumulation: the exact sum, then wrapped or saturated to ACC_BITS. Combinational.
module rst_accumulate #(
  parameter int ACC_BITS = 32,
  parameter int ADD_BITS = 20,
  parameter int OVERFLOW = ristretto_pkg::OverflowWrap
) (
  input  logic signed [ACC_BITS-1:0] acc_i,
  input  logic signed [ADD_BITS-1:0] add_i,
  output logic signed [ACC_BITS-1:0] acc_o,
  output logic                       ovf_o  // the exact sum does not fit ACC_BITS
);
  localparam int Bits = ristretto_pkg::max_of(ACC_BITS, ADD_BITS) + 1;

  logic signed [Bits-1:0] sum;
  assign sum = Bits'(acc_i) + Bits'(add_i);

  // It fits if all bits above the accumulator's sign equal it.
  assign ovf_o = (sum[Bits-1:ACC_BITS-1] != {(Bits-ACC_BITS+1){sum[Bits-1]}});

  if (OVERFLOW == ristretto_pkg::OverflowSaturate) begin : gen_saturate
    assign acc_o = !ovf_o ? sum[ACC_BITS-1:0] : {sum[Bits-1], {(ACC_BITS-1){~sum[Bits-1]}}};
  end else begin : gen_wrap
    assign acc_o = sum[ACC_BITS-1:0];
  end
endmodule
