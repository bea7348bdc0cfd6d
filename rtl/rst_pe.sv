// A processing element: the product of an activation and a weight. Combinational.
//   multiplier  two's complement weight
//   shifter     the weight is +-2^c: its sign in the highest bit (1: negative), c below it. With ZERO_CODE the code 0 is the
//               weight zero and c is the code less one.
module rst_pe #(
  parameter int PE = ristretto_pkg::PeMultiplier,
  parameter int ACT_BITS = 8,
  parameter int WGT_BITS = 8,
  parameter int ZERO_CODE = 0,
  parameter int PRODUCT_BITS = ristretto_pkg::product_bits(PE, ACT_BITS, WGT_BITS)
) (
  input  logic signed [ACT_BITS-1:0]     act_i,
  input  logic [WGT_BITS-1:0]            wgt_i,
  output logic signed [PRODUCT_BITS-1:0] product_o
);
  if (PE == ristretto_pkg::PeShifter) begin : gen_shifter
    localparam int CodeBits = WGT_BITS - 1;
    logic [CodeBits-1:0] code, places;
    logic negative;
    logic signed [PRODUCT_BITS-1:0] wide, shifted;

    assign negative = wgt_i[WGT_BITS-1];
    assign code = wgt_i[CodeBits-1:0];
    assign wide = PRODUCT_BITS'(act_i);
    assign shifted = wide <<< places;
    if (ZERO_CODE != 0) begin : gen_zero
      assign places = code - CodeBits'(1);
      assign product_o = (code == '0) ? '0 : negative ? -shifted : shifted;
    end else begin : gen_no_zero
      assign places = code;
      assign product_o = negative ? -shifted : shifted;
    end
  end else begin : gen_multiplier
    logic signed [WGT_BITS-1:0] wgt;
    assign wgt = wgt_i;
    assign product_o = PRODUCT_BITS'(act_i) * PRODUCT_BITS'(wgt);
  end
endmodule
