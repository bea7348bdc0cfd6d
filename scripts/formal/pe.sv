// rst_pe against the sum of the activation shifted by each bit of the weight (multiplier), or by
// the place that the code names (shifter).
module pe #(
  parameter int Pe = 0,
  parameter int ActBits = 6,
  parameter int WgtBits = 5,
  parameter bit ZeroCode = 1'b0
) (
  input  logic [ActBits-1:0] act,
  input  logic [WgtBits-1:0] wgt,
  output logic               wrong
);
  localparam int ProductBits = ristretto_pkg::product_bits(Pe, ActBits, WgtBits);
  localparam int Terms = (Pe == 1) ? 1 << (WgtBits - 1) : WgtBits;
  localparam int Wide = ProductBits + 2;
  logic signed [ProductBits-1:0] product;

  rst_pe #(
    .Pe(Pe),
    .ActBits(ActBits),
    .WgtBits(WgtBits),
    .ZeroCode(ZeroCode)
  ) u_dut (
    .act_i(act),
    .wgt_i(wgt),
    .product_o(product)
  );

  // Place t of the sum: for a multiplier bit t of the weight, the highest one negative; for a
  // shifter one place counts, and the sign turns it round.
  logic [Wide-1:0] wide;
  logic [(Terms+1)*Wide-1:0] sums;
  assign wide = {{(Wide-ActBits){act[ActBits-1]}}, act};
  assign sums[Wide-1:0] = '0;
  for (genvar t = 0; t < Terms; t++) begin : gen_term
    logic taken, negative;
    if (Pe == 1) begin : gen_shifter
      assign taken = (wgt[WgtBits-2:0] == (WgtBits-1)'(t + ZeroCode)) && (t + ZeroCode < Terms);
      assign negative = wgt[WgtBits-1];
    end else begin : gen_multiplier
      assign taken = wgt[t];
      assign negative = (t == WgtBits - 1);
    end
    assign sums[(t+1)*Wide +: Wide] = !taken ? sums[t*Wide +: Wide]
                                      : negative ? sums[t*Wide +: Wide] - (wide << t)
                                      : sums[t*Wide +: Wide] + (wide << t);
  end

  logic signed [Wide-1:0] got;
  assign got = product;
  assign wrong = (got != sums[Terms*Wide +: Wide]);
endmodule
