// rst_adder_tree against the sum taken word by word; registers are made transparent (transparent.v).
module tree #(
  parameter int INPUTS = 5,
  parameter int IN_BITS = 3,
  parameter int FIRST_LEVEL = 0,
  parameter int TREE_REGS = 0
) (
  input  logic                      clk,
  input  logic [INPUTS*IN_BITS-1:0] data,
  output logic                      wrong
);
  localparam int OutBits = ristretto_pkg::tree_bits(INPUTS, IN_BITS, FIRST_LEVEL);
  localparam int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(INPUTS, TREE_REGS), 1);
  localparam int Wide = OutBits + 2;
  logic signed [OutBits-1:0] sum;

  rst_adder_tree #(
    .INPUTS(INPUTS),
    .IN_BITS(IN_BITS),
    .FIRST_LEVEL(FIRST_LEVEL),
    .TREE_REGS(TREE_REGS)
  ) u_dut (
    .clk_i(clk),
    .en_i({EnBits{1'b1}}),
    .data_i(data),
    .sum_o(sum)
  );

  logic [(INPUTS+1)*Wide-1:0] sums;
  assign sums[Wide-1:0] = '0;
  for (genvar i = 0; i < INPUTS; i++) begin : gen_word
    logic signed [IN_BITS-1:0] word;
    logic signed [Wide-1:0] before, wide;
    assign word = data[i*IN_BITS +: IN_BITS];
    assign wide = word;
    assign before = sums[i*Wide +: Wide];
    assign sums[(i+1)*Wide +: Wide] = before + wide;
  end

  logic signed [Wide-1:0] got, wanted;
  assign got = sum;
  assign wanted = sums[INPUTS*Wide +: Wide];
  assign wrong = (got != wanted);
endmodule
