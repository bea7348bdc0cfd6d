// A processing element: the product of an activation and a weight. Combinational.
//   multiplier  two's complement weight
//   shifter     the weight is +-2^c: its sign in the highest bit (1: negative), c below it. With
//               ZeroCode the code 0 is the weight zero and c is the code less one.
module rst_pe #(
  parameter int Pe = ristretto_pkg::PeMultiplier,
  parameter int ActBits = 8,
  parameter int WgtBits = 8,
  parameter bit ZeroCode = 1'b0,
  parameter int ProductBits = ristretto_pkg::product_bits(Pe, ActBits, WgtBits)
) (
  input  logic signed [ActBits-1:0]     act_i,
  input  logic [WgtBits-1:0]            wgt_i,
  output logic signed [ProductBits-1:0] product_o
);
  // verilator coverage_off
  initial begin
    if (Pe != ristretto_pkg::PeMultiplier && Pe != ristretto_pkg::PeShifter)
      $fatal(1, "Pe must be PeMultiplier or PeShifter");
    if (ActBits < 1 || WgtBits < ((Pe == ristretto_pkg::PeShifter) ? 2 : 1))
      $fatal(1, "ActBits or WgtBits is too small");
  end
  // verilator coverage_on

  if (Pe == ristretto_pkg::PeShifter) begin : gen_shifter
    localparam int CodeBits = WgtBits - 1;
    logic [CodeBits-1:0] code, places;
    logic negative;
    logic signed [ProductBits-1:0] wide, shifted;

    assign negative = wgt_i[WgtBits-1];
    assign code = wgt_i[CodeBits-1:0];
    assign wide = ProductBits'(act_i);
    assign shifted = wide <<< places;
    if (ZeroCode) begin : gen_zero
      assign places = code - CodeBits'(1);
      assign product_o = (code == '0) ? '0 : negative ? -shifted : shifted;
    end else begin : gen_no_zero
      assign places = code;
      assign product_o = negative ? -shifted : shifted;
    end
  end else begin : gen_multiplier
    logic signed [WgtBits-1:0] wgt;
    assign wgt = wgt_i;
    assign product_o = ProductBits'(act_i) * ProductBits'(wgt);
  end

  `include "checks/rst_pe_check.svh"
endmodule
