// Sum of Inputs signed words. Each instance is one level: it adds neighbours and leaves the rest of
// the tree to an instance of half the size, so that the words widen by one bit a level (FirstLevel
// paper: the first one by two). An odd word at the end is passed on. TreeRegisters puts registers
// after every level, or after levels 2, 4, ...
module rst_adder_tree #(
  parameter int Inputs = 16,
  parameter int InBits = 16,
  parameter int FirstLevel = ristretto_pkg::FirstLevelExact,
  parameter int TreeRegisters = ristretto_pkg::TreeRegistersNone,
  parameter int Level = 1,         // of this instance, the products being level 0
  parameter int OutBits = ristretto_pkg::tree_bits(Inputs, InBits, FirstLevel),
  parameter int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(Inputs, TreeRegisters), 1)
) (
  input  logic                      clk_i,
  input  logic [EnBits-1:0]         en_i,  // of the register stages, first to last
  input  logic [Inputs*InBits-1:0]  data_i,
  output logic signed [OutBits-1:0] sum_o
);
  // verilator coverage_off
  initial begin
    if (Inputs < 1 || InBits < 1 || Level < 1)
      $fatal(1, "Inputs, InBits and Level must be at least 1");
    if (TreeRegisters < ristretto_pkg::TreeRegistersNone ||
        TreeRegisters > ristretto_pkg::TreeRegistersEverySecond)
      $fatal(1, "TreeRegisters is not known");
  end
  // verilator coverage_on

  if (Inputs == 1) begin : gen_root
    logic unused;
    assign unused = clk_i ^ (^en_i);
    assign sum_o = $signed(data_i);
  end else begin : gen_level
    localparam int Sums = (Inputs + 1) / 2;
    localparam int SumBits = InBits + 1 + ((FirstLevel == ristretto_pkg::FirstLevelPaper) ? 1 : 0);
    localparam bit Registered =
        (TreeRegisters == ristretto_pkg::TreeRegistersEvery) ||
        (TreeRegisters == ristretto_pkg::TreeRegistersEverySecond && Level % 2 == 0);
    localparam int EnBelow = (Registered && EnBits > 1) ? 1 : 0;

    logic [Sums*SumBits-1:0] sums, sums_below;

    for (genvar i = 0; i < Sums; i++) begin : gen_sum
      logic signed [InBits-1:0] left;
      assign left = data_i[2*i*InBits +: InBits];
      if (2 * i + 1 < Inputs) begin : gen_add
        logic signed [InBits-1:0] right;
        assign right = data_i[(2*i+1)*InBits +: InBits];
        assign sums[i*SumBits +: SumBits] = SumBits'(left) + SumBits'(right);
      end else begin : gen_pass
        assign sums[i*SumBits +: SumBits] = SumBits'(left);
      end
    end

    if (Registered) begin : gen_registers
      always_ff @(posedge clk_i) begin
        if (en_i[0]) sums_below <= sums;
      end
    end else begin : gen_wires
      assign sums_below = sums;
    end

    rst_adder_tree #(
      .Inputs(Sums),
      .InBits(SumBits),
      .FirstLevel(ristretto_pkg::FirstLevelExact),
      .TreeRegisters(TreeRegisters),
      .Level(Level + 1),
      .OutBits(OutBits),
      .EnBits(EnBits - EnBelow)
    ) u_tree (
      .clk_i,
      .en_i(en_i[EnBits-1:EnBelow]),
      .data_i(sums_below),
      .sum_o
    );
  end

  `include "checks/rst_adder_tree_check.svh"
endmodule
