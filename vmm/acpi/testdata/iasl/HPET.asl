[0004]                    Signature : "HPET"
[0004]                 Table Length : 00000038
[0001]                     Revision : 01
[0001]                     Checksum : 67
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]            Hardware Block ID : 03020101
[0012]         Timer Block Register : [Generic Address Structure]
[0001]                     Space ID : 02
[0001]                    Bit Width : 03
[0001]                   Bit Offset : 04
[0001]         Encoded Access Width : 05
[0008]                      Address : 0706050403020106
[0001]              Sequence Number : 07
[0002]          Minimum Clock Ticks : 0108
[0001]        Flags (decoded below) : 01
                             4K Page Protect : 1
                            64K Page Protect : 0
