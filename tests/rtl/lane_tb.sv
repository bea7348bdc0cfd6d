// A lane beside its netlist (lane_netlist, written by Yosys for these parameters): random operands biased to the rails, random
// enables; every output in every cycle.
`timescale 1ns / 1ps

module lane_tb;
  parameter int Pe = ristretto_pkg::PeMultiplier;
  parameter int ActBits = 4;
  parameter int WgtBits = 4;
  parameter int AccBits = 12;
  parameter int Rounding = 1;
  parameter bit ZeroCode = 1'b0;
  parameter bit ChannelShifts = 1'b0;
  parameter bit UnsignedActivations = 1'b1;
  parameter bit AveragePooling = 1'b1;
  localparam int Muls = 3;
  localparam int InBits = ActBits + (UnsignedActivations ? 1 : 0);
  localparam int BiasBits = AccBits + (ChannelShifts ? ristretto_pkg::ChannelShiftBits : 0);
  localparam int Cycles = 2000;

  logic clk = 1'b0;
  logic operand_en, product_en, acc_en, acc_first, result_en, relu, lowest, is_unsigned, direct;
  logic [0:0] tree_en;
  logic [4:0] align;
  logic [Muls*WgtBits-1:0] wgt;
  logic [Muls*InBits-1:0] act;
  logic [BiasBits-1:0] bias;
  logic [15:0] scale;
  logic signed [6:0] shift;
  logic [4:0] out_bits;
  logic ovf, sat, ovf_netlist, sat_netlist;
  logic [ActBits-1:0] result, result_netlist;

  rst_lane #(
    .Muls(Muls),
    .ActBits(ActBits),
    .WgtBits(WgtBits),
    .AccBits(AccBits),
    .Overflow(1),
    .FirstLevel(1),
    .TreeRegisters(2),
    .Rounding(Rounding),
    .Lane(1),
    .Pe(Pe),
    .ZeroCode(ZeroCode),
    .ChannelShifts(ChannelShifts),
    .UnsignedActivations(UnsignedActivations),
    .AveragePooling(AveragePooling)
  ) u_rtl (
    .clk_i(clk),
    .operand_en_i(operand_en),
    .wgt_i(wgt),
    .product_en_i(product_en),
    .act_i(act),
    .direct_i(direct),
    .align_i(align),
    .tree_en_i(tree_en),
    .acc_en_i(acc_en),
    .acc_first_i(acc_first),
    .bias_i(bias),
    .result_en_i(result_en),
    .relu_i(relu),
    .scale_i(scale),
    .shift_i(shift),
    .out_bits_i(out_bits),
    .lowest_i(lowest),
    .unsigned_i(is_unsigned),
    .ovf_o(ovf),
    .result_o(result),
    .sat_o(sat)
  );

  lane_netlist u_netlist (
    .clk_i(clk),
    .operand_en_i(operand_en),
    .wgt_i(wgt),
    .product_en_i(product_en),
    .act_i(act),
    .direct_i(direct),
    .align_i(align),
    .tree_en_i(tree_en),
    .acc_en_i(acc_en),
    .acc_first_i(acc_first),
    .bias_i(bias),
    .result_en_i(result_en),
    .relu_i(relu),
    .scale_i(scale),
    .shift_i(shift),
    .out_bits_i(out_bits),
    .lowest_i(lowest),
    .unsigned_i(is_unsigned),
    .ovf_o(ovf_netlist),
    .result_o(result_netlist),
    .sat_o(sat_netlist)
  );

  int seed, compared, wrong, saturated, overflowed;

  function automatic logic often(input int percent);
    often = ($unsigned($random(seed)) % 100) < percent;
  endfunction

  // Words at a rail in half of the cases; of minifloats the largest and the least of their codes.
  function automatic logic [15:0] word(input int kind, input int bits);
    word = (kind == 0) ? 16'd1 << (bits - 1) : (kind == 1) ? (16'd1 << (bits - 1)) - 16'd1 : 16'($random(seed));
    if (Pe == ristretto_pkg::PeMinifloat && kind == 1) word = 16'h7e;
  endfunction

  initial begin
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    $display("# seed %0d", seed);
    compared = 0;
    wrong = 0;
    saturated = 0;
    overflowed = 0;
    for (int t = 0; t < Cycles; t = t + 1) begin
      operand_en = often(90) || t < 16;
      product_en = often(90) || t < 16;
      tree_en = often(90) || t < 16;
      acc_en = often(90) || t < 16;
      result_en = often(70) || t < 16;
      acc_first = often(20) || t < 16;
      direct = often(20);
      align = 5'($unsigned($random(seed)) % 5);
      for (int i = 0; i < Muls; i = i + 1) begin
        wgt[i*WgtBits +: WgtBits] = WgtBits'(word($unsigned($random(seed)) % 4, WgtBits));
        act[i*InBits +: ActBits] = ActBits'(word($unsigned($random(seed)) % 4, ActBits));
        if (UnsignedActivations) act[i*InBits+InBits-1] = often(50) ? 1'b0 : act[i*InBits+ActBits-1];
      end
      bias = BiasBits'({$random(seed), $random(seed)});
      relu = often(30);
      scale = often(50) ? 16'd1 : 16'($random(seed));
      shift = often(50) ? 7'($unsigned($random(seed)) % 8) : 7'($unsigned($random(seed)) % 64 - 15);
      out_bits = 5'(1 + $unsigned($random(seed)) % ActBits);
      lowest = often(5);
      is_unsigned = often(50);
      #5 clk = 1'b1;
      #1;
      if (t >= 16) begin
        compared = compared + 1;
        saturated = saturated + 32'(sat);
        overflowed = overflowed + 32'(ovf);
        if ({result, sat, ovf} !== {result_netlist, sat_netlist, ovf_netlist} || (^{result, sat, ovf}) === 1'bx) begin
          wrong = wrong + 1;
          if (wrong < 5)
            $display("# cycle %0d: expected result %h, sat %b, ovf %b; got %h, %b, %b", t, result, sat, ovf, result_netlist,
                     sat_netlist, ovf_netlist);
        end
      end
      #4 clk = 1'b0;
    end
    if (wrong == 0 && compared == Cycles - 16 && saturated > 0 && overflowed > 0 && saturated < compared)
      $display("ok - lane and its netlist: %0d cycles compared, %0d saturations, %0d overflows", compared, saturated, overflowed);
    else
      $display("not ok - lane and its netlist: %0d of %0d cycles differ", wrong, compared);
    $finish;
  end
endmodule
