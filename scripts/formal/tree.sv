// rst_adder_tree against the sum taken word by word; registers are made transparent
// (transparent.v).
module tree #(
  parameter int Inputs = 5,
  parameter int InBits = 3,
  parameter int FirstLevel = 0,
  parameter int TreeRegisters = 0
) (
  input  logic                     clk,
  input  logic [Inputs*InBits-1:0] data,
  output logic                     wrong
);
  localparam int OutBits = ristretto_pkg::tree_bits(Inputs, InBits, FirstLevel);
  localparam int EnBits =
      ristretto_pkg::max_of(ristretto_pkg::tree_stages(Inputs, TreeRegisters), 1);
  localparam int Wide = OutBits + 2;
  logic signed [OutBits-1:0] sum;

  rst_adder_tree #(
    .Inputs(Inputs),
    .InBits(InBits),
    .FirstLevel(FirstLevel),
    .TreeRegisters(TreeRegisters)
  ) u_dut (
    .clk_i(clk),
    .en_i({EnBits{1'b1}}),
    .data_i(data),
    .sum_o(sum)
  );

  logic [(Inputs+1)*Wide-1:0] sums;
  assign sums[Wide-1:0] = '0;
  for (genvar i = 0; i < Inputs; i++) begin : gen_word
    logic signed [InBits-1:0] word;
    logic signed [Wide-1:0] before, wide;
    assign word = data[i*InBits +: InBits];
    assign wide = word;
    assign before = sums[i*Wide +: Wide];
    assign sums[(i+1)*Wide +: Wide] = before + wide;
  end

  logic signed [Wide-1:0] got, wanted;
  assign got = sum;
  assign wanted = sums[Inputs*Wide +: Wide];
  assign wrong = (got != wanted);
endmodule
