// rst_pe against the sum of the activation shifted by each bit of the weight (multiplier), or by the place that the code names
// (shifter).
module pe #(
  parameter int PE = 0,
  parameter int ACT_BITS = 6,
  parameter int WGT_BITS = 5,
  parameter int ZERO_CODE = 0
) (
  input  logic [ACT_BITS-1:0] act,
  input  logic [WGT_BITS-1:0] wgt,
  output logic                wrong
);
  localparam int ProductBits = ristretto_pkg::product_bits(PE, ACT_BITS, WGT_BITS);
  localparam int Terms = (PE == 1) ? 1 << (WGT_BITS - 1) : WGT_BITS;
  localparam int Wide = ProductBits + 2;
  logic signed [ProductBits-1:0] product;

  rst_pe #(
    .PE(PE),
    .ACT_BITS(ACT_BITS),
    .WGT_BITS(WGT_BITS),
    .ZERO_CODE(ZERO_CODE)
  ) u_dut (
    .act_i(act),
    .wgt_i(wgt),
    .product_o(product)
  );

  // Place t of the sum: for a multiplier bit t of the weight, the highest one negative; for a shifter one place counts, and the
  // sign turns it round.
  logic [Wide-1:0] wide;
  logic [(Terms+1)*Wide-1:0] sums;
  assign wide = {{(Wide-ACT_BITS){act[ACT_BITS-1]}}, act};
  assign sums[Wide-1:0] = '0;
  for (genvar t = 0; t < Terms; t++) begin : gen_term
    logic taken, negative;
    if (PE == 1) begin : gen_shifter
      assign taken = (wgt[WGT_BITS-2:0] == (WGT_BITS-1)'(t + ZERO_CODE)) && (t + ZERO_CODE < Terms);
      assign negative = wgt[WGT_BITS-1];
    end else begin : gen_multiplier
      assign taken = wgt[t];
      assign negative = (t == WGT_BITS - 1);
    end
    assign sums[(t+1)*Wide +: Wide] = !taken ? sums[t*Wide +: Wide]
                                      : negative ? sums[t*Wide +: Wide] - (wide << t) : sums[t*Wide +: Wide] + (wide << t);
  end

  logic signed [Wide-1:0] got;
  assign got = product;
  assign wrong = (got != sums[Terms*Wide +: Wide]);
endmodule
