// Multiplies bit by bit, radix 2: start, sixteen cycles of work with the operands held, done for one cycle. Then z = x * y + c.
module booth_serial (clk, rst, start, x, y, c, busy, done, z);
  input clk, rst, start;
  input [15:0] x, y;
  input [39:0] c;
  output busy, done;
  output [39:0] z;
  reg [39:0] z;
  reg [4:0] bit;      // a word of SystemVerilog as a name
  reg busy, done;
  wire signed [39:0] wide = {{24{x[15]}}, x};
  always @(posedge clk)
    if (rst) begin
      busy <= 0;
      done <= 0;
    end else begin
      done <= 0;
      if (start && !busy) begin
        busy <= 1;
        bit <= 0;
        z <= c;
      end else if (busy) begin
        if (y[bit[3:0]])
          z <= (bit == 15) ? z - (wide << bit) : z + (wide << bit);
        bit <= bit + 1;
        if (bit == 15) begin
          busy <= 0;
          done <= 1;
        end
      end
    end
endmodule
